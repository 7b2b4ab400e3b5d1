"""`make demo`: one real call through the public API, judged by what both ends of the line recorded.

scenario (what happens when, pure) · stage (PBX, carrier, service, resources) · follow (the call as it runs) ·
evidence (recordings and records, gathered) · judge (facts, pure) · report (what the terminal shows)
"""

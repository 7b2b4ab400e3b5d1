"""What an operator sees from outside: logs, metrics, turn latency."""

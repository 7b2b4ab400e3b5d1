"""The talk: voice activity, turns, memory, sentences, playout. Machines and policies are pure; session wires them."""

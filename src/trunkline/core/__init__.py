"""The words everything else is written in: ids, numbers, time, errors, events. Imports nothing of ours."""

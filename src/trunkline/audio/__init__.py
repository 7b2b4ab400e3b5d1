"""Sound as numbers: formats, G.711, resampling, voice activity, the playout ledger, the recording's time line. No I/O."""

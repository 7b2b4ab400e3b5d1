"""Speech to text, language models, text to speech. `port` says what they can do; one file a provider."""

"""What every `BackgroundTaskHost` must do; a test takes its host from a factory, one per implementation."""

"""First-party machine types, on the same contract as third-party ones."""

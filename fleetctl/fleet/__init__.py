"""The controller's side: intake, dispatching, recovery, checks, and the link to the agents."""

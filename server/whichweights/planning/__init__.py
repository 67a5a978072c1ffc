"""Planning: pure arithmetic on a ModelSpec and a Deployment; no I/O, no clock."""

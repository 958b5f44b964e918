"""Training on episode logs: data sets, losses and the trainers that read like their papers."""

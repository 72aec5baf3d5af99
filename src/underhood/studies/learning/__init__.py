"""What the reports of training studies share."""

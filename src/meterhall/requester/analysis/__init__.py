"""What was collected, to look at and to hand on."""

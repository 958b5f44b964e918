"""Trainers: only the loop; losses, data and weights are tested functions elsewhere."""

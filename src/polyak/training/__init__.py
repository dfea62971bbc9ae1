"""What decides the weights: the step loop with the learning rate, recipe, schedules, optimizers."""

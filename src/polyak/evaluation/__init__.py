"""Logits of any weights, and scores from logits."""

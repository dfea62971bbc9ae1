"""Learning-rate schedules, one file each: the factor on the optimizer's lr as training goes on.

    Cosine(minimum=0.0).factor(epoch=10, epochs=20)    # 0.5
    Cosine(minimum=0.0).factor(epoch=10.5, epochs=20)  # half-way through epoch 10

They have no state: the factor follows from the epoch alone (and, where `depends_on_epochs`, from
the number of epochs planned), so a resumed trajectory has the same learning rates. They need no
torch.
"""

"""What every instance segmenter needs beside its network: instances, augmentation, training images, prediction."""

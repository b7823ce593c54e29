"""The science: papers' methods and the parts they share."""

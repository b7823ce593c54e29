"""The drawn miniature world, its views in official layouts, and the stages that train its small pretrained parts."""

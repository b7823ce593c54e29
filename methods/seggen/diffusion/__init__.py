"""What Text2Mask and Mask2Img share: recipes, sizes of pictures, captioned pictures, and the denoising loss."""

"""Object poses from images: tags (`tag_pose`), colour and depth (`colour_pose`). Start at `locator.make_locator`."""

"""``segrepro evaluate``: every metric on anyone's predictions."""

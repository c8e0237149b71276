"""What a network is: a graph of operations with the weights as its leaves."""

"""The mathematics: propagation through the graph, Jacobians, Hessians, and their numerical opponents."""

"""The contenders: each module lists, for each quantity, its ways to compute it as functions of a case."""

// Empty: the vectors are read from the crate's package.

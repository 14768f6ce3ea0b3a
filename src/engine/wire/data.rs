//! Headers of `P_DATA_V1` and `P_DATA_V2`, peer id.

//! Headers of DATA_V1 and DATA_V2, peer id.

// A bare number where an id is meant: the kind has to be said.
// expect: conversion from .*(int|unsigned).* to non-scalar type|no viable conversion from .*(int|unsigned)
#include "rules/units.h"

namespace portcullis {

SlotIndex next(unsigned number) {
#ifdef MISTAKE
    SlotIndex slot = number;
#else
    SlotIndex slot{number};
#endif
    return slot;
}

}  // namespace portcullis

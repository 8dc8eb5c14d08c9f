/*
 * The control file that a test and all processes with the shim share: which faults there are, and how often each
 * function was called. shim.ts writes and reads the same layout; all numbers are little-endian.
 *
 * No call meets half a set of faults: the test writes the bank that is not in force, and then puts it in force by one
 * word.
 */
#ifndef CLAVIGER_SHIM_CONTROL_H
#define CLAVIGER_SHIM_CONTROL_H

#include <stdint.h>

#define CONTROL_MAGIC 0x53564c43u /* CLVS */
#define FUNCTION_LIMIT 96
#define FAULT_LIMIT 16
#define EVERY_FUNCTION UINT32_MAX

enum fault_kind {
  FAULT_RETURN = 1, /* return `value` */
  FAULT_HANG = 2,   /* block while a fault of this kind for this function is in force */
  FAULT_CRASH = 3,  /* SIGSEGV */
  FAULT_DELAY = 4,  /* sleep `value` microseconds, then go on */
  FAULT_FLIP = 5,   /* flip one bit of what C_WrapKey returns */
  FAULT_HIDE = 6,   /* the token has no mechanism `value` */
};

struct fault {
  uint32_t kind;
  uint32_t function; /* position in pkcs11f.h, or EVERY_FUNCTION */
  uint32_t percent;  /* of the calls */
  uint32_t after;    /* 1: once the real module has done the call; 0: instead of it */
  uint64_t value;
  uint64_t limit;            /* ends after so many; 0: does not end */
  _Atomic uint64_t seen;     /* calls since it is in force */
  _Atomic int64_t injected;  /* of them: met the fault; below zero while the first ones pass */
};

struct bank {
  uint64_t count;
  struct fault faults[FAULT_LIMIT];
};

struct control {
  uint32_t magic;
  _Atomic uint32_t in_force; /* 0: no faults; 1, 2: bank */
  _Atomic uint64_t injected; /* faults that calls met, of all sets */
  _Atomic uint64_t calls[FUNCTION_LIMIT];
  struct bank banks[2];
};

_Static_assert(sizeof(struct fault) == 48, "shim.ts: FAULT_BYTES");
_Static_assert(sizeof(struct bank) == 776, "shim.ts: BANK_BYTES");
_Static_assert(sizeof(struct control) == 2336, "shim.ts: CONTROL_BYTES");

#endif

/*
 * A PKCS#11 module that passes every call on to a real one and, while a control file says so, fails as devices fail.
 * The environment names both: CLAVIGER_SHIM_MODULE and CLAVIGER_SHIM_CONTROL. Without a fault in force a call costs one
 * shared counter and one load more than without the shim.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <pkcs11/pkcs11.h>

#include "control.h"

/* The positions of the functions, which the control file counts by. */
enum {
#define CK_PKCS11_FUNCTION_INFO(name) AT_##name,
#include <pkcs11/pkcs11f.h>
#undef CK_PKCS11_FUNCTION_INFO
  FUNCTIONS
};
_Static_assert(FUNCTIONS <= FUNCTION_LIMIT, "the control file counts all functions");

static CK_FUNCTION_LIST_PTR real;
static struct control *control;

static struct bank *bank_in_force(void)
{
  uint32_t in_force = control->in_force;
  return in_force == 0 ? NULL : &control->banks[in_force - 1];
}

static bool concerns(const struct fault *fault, uint32_t function)
{
  return fault->function == EVERY_FUNCTION || fault->function == function;
}

/*
 * Whether this call meets the fault: exactly `percent` of each hundred calls do. Which of the hundred is spread, and
 * another for each hundred, so that a loop of ten calls meets a fault of 10 % not always in the same one of them.
 */
static bool is_due(struct fault *fault)
{
  uint64_t n = fault->seen++;
  if ((n % 100 * 37 + n / 100 * 61) % 100 >= fault->percent) return false;
  int64_t before = fault->injected++;
  if (before < 0 || (fault->limit != 0 && (uint64_t)before >= fault->limit)) return false;
  control->injected++;
  return true;
}

static void sleep_us(uint64_t us)
{
  struct timespec time = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
  nanosleep(&time, NULL);
}

static bool is_hang_in_force(uint32_t function, uint32_t after)
{
  const struct bank *bank = bank_in_force();
  for (uint64_t i = 0; bank != NULL && i < bank->count; i++) {
    const struct fault *fault = &bank->faults[i];
    if (fault->kind == FAULT_HANG && fault->after == after && concerns(fault, function)) return true;
  }
  return false;
}

/* No core file: the memory of the process holds keys. */
static void crash(void)
{
  setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
  signal(SIGSEGV, SIG_DFL);
  raise(SIGSEGV);
}

/* Returns `rv`, or what the faults in force make of it. */
static CK_RV meet_faults(uint32_t function, uint32_t after, CK_RV rv)
{
  struct bank *bank = bank_in_force();
  if (bank == NULL) return rv;
  for (uint64_t i = 0; i < bank->count; i++) {
    struct fault *fault = &bank->faults[i];
    if (fault->kind > FAULT_DELAY || fault->after != after || !concerns(fault, function) || !is_due(fault)) continue;
    if (fault->kind == FAULT_RETURN) return fault->value;
    if (fault->kind == FAULT_CRASH) crash();
    if (fault->kind == FAULT_DELAY) sleep_us(fault->value);
    if (fault->kind == FAULT_HANG) {
      while (is_hang_in_force(function, after)) sleep_us(1000);
    }
  }
  return rv;
}

static bool is_hidden(CK_MECHANISM_TYPE type)
{
  const struct bank *bank = bank_in_force();
  for (uint64_t i = 0; bank != NULL && i < bank->count; i++) {
    if (bank->faults[i].kind == FAULT_HIDE && bank->faults[i].value == type) return true;
  }
  return false;
}

static CK_RV enter(uint32_t function, const CK_MECHANISM *mechanism)
{
  control->calls[function]++;
  CK_RV rv = meet_faults(function, 0, CKR_OK);
  if (rv == CKR_OK && mechanism != NULL && is_hidden(mechanism->mechanism)) return CKR_MECHANISM_INVALID;
  return rv;
}

static CK_RV leave(uint32_t function, CK_RV rv)
{
  return meet_faults(function, 1, rv);
}

/* Where a function has a mechanism, it is the second parameter. */
#define MECHANISM(b) _Generic((b), CK_MECHANISM_PTR : (b), default : NULL)

#define FORWARD(name, mechanism, parameters, arguments)                \
  static CK_RV shim_##name parameters                                  \
  {                                                                    \
    CK_RV rv = enter(AT_##name, mechanism);                            \
    return rv != CKR_OK ? rv : leave(AT_##name, real->name arguments); \
  }
#define FORWARD_1(name, A) FORWARD(name, NULL, (A a), (a))
#define FORWARD_2(name, A, B) FORWARD(name, MECHANISM(b), (A a, B b), (a, b))
#define FORWARD_3(name, A, B, C) FORWARD(name, MECHANISM(b), (A a, B b, C c), (a, b, c))
#define FORWARD_4(name, A, B, C, D) FORWARD(name, MECHANISM(b), (A a, B b, C c, D d), (a, b, c, d))
#define FORWARD_5(name, A, B, C, D, E) FORWARD(name, MECHANISM(b), (A a, B b, C c, D d, E e), (a, b, c, d, e))
#define FORWARD_6(name, A, B, C, D, E, F) \
  FORWARD(name, MECHANISM(b), (A a, B b, C c, D d, E e, F f), (a, b, c, d, e, f))
#define FORWARD_8(name, A, B, C, D, E, F, G, H) \
  FORWARD(name, MECHANISM(b), (A a, B b, C c, D d, E e, F f, G g, H h), (a, b, c, d, e, f, g, h))
#include "functions.h"

static CK_RV list_without_hidden(CK_SLOT_ID slot, CK_MECHANISM_TYPE_PTR list, CK_ULONG_PTR count)
{
  CK_ULONG all = 0;
  CK_RV rv = real->C_GetMechanismList(slot, NULL, &all);
  if (rv != CKR_OK) return rv;
  CK_MECHANISM_TYPE *types = calloc(all, sizeof *types);
  if (types == NULL) return CKR_HOST_MEMORY;
  rv = real->C_GetMechanismList(slot, types, &all);
  CK_ULONG shown = 0;
  for (CK_ULONG i = 0; rv == CKR_OK && i < all; i++) {
    if (is_hidden(types[i])) continue;
    if (list != NULL && shown < *count) list[shown] = types[i];
    shown++;
  }
  free(types);
  if (rv != CKR_OK) return rv;
  bool fits = list == NULL || shown <= *count;
  *count = shown;
  return fits ? CKR_OK : CKR_BUFFER_TOO_SMALL;
}

static CK_RV shim_C_GetMechanismList(CK_SLOT_ID slot, CK_MECHANISM_TYPE_PTR list, CK_ULONG_PTR count)
{
  CK_RV rv = enter(AT_C_GetMechanismList, NULL);
  return rv != CKR_OK ? rv : leave(AT_C_GetMechanismList, list_without_hidden(slot, list, count));
}

static CK_RV shim_C_GetMechanismInfo(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO_PTR info)
{
  CK_RV rv = enter(AT_C_GetMechanismInfo, &(CK_MECHANISM){.mechanism = type});
  return rv != CKR_OK ? rv : leave(AT_C_GetMechanismInfo, real->C_GetMechanismInfo(slot, type, info));
}

/* Another bit each time. */
static void flip_bits(CK_BYTE_PTR bytes, CK_ULONG length)
{
  struct bank *bank = bank_in_force();
  for (uint64_t i = 0; bank != NULL && i < bank->count; i++) {
    struct fault *fault = &bank->faults[i];
    if (fault->kind != FAULT_FLIP || !is_due(fault)) continue;
    uint64_t bit = fault->injected * 61 % (length * 8);
    bytes[bit / 8] ^= 1 << bit % 8;
  }
}

static CK_RV shim_C_WrapKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE wrapping_key,
                            CK_OBJECT_HANDLE key, CK_BYTE_PTR wrapped, CK_ULONG_PTR length)
{
  CK_RV rv = enter(AT_C_WrapKey, mechanism);
  if (rv != CKR_OK) return rv;
  rv = real->C_WrapKey(session, mechanism, wrapping_key, key, wrapped, length);
  if (rv == CKR_OK && wrapped != NULL) flip_bits(wrapped, *length);
  return leave(AT_C_WrapKey, rv);
}

static CK_RV shim_C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list);

static CK_FUNCTION_LIST functions = {
#define CK_PKCS11_FUNCTION_INFO(name) .name = shim_##name,
#include <pkcs11/pkcs11f.h>
#undef CK_PKCS11_FUNCTION_INFO
};

static const char *map_control(void)
{
  const char *path = getenv("CLAVIGER_SHIM_CONTROL");
  if (path == NULL) return "CLAVIGER_SHIM_CONTROL is not set";
  int file = open(path, O_RDWR | O_CLOEXEC);
  struct stat status;
  if (file < 0 || fstat(file, &status) != 0 || status.st_size != sizeof *control) return "there is no control file";
  control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (control == MAP_FAILED || control->magic != CONTROL_MAGIC) return "the control file is none";
  return NULL;
}

static const char *load_real(void)
{
  const char *path = getenv("CLAVIGER_SHIM_MODULE");
  if (path == NULL) return "CLAVIGER_SHIM_MODULE is not set";
  void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (module == NULL) return dlerror();
  CK_C_GetFunctionList get_list = (CK_C_GetFunctionList)dlsym(module, "C_GetFunctionList");
  if (get_list == NULL || get_list(&real) != CKR_OK) return "the real module gives no list of functions";
  functions.version = real->version;
  return NULL;
}

static CK_RV shim_C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
  if (real == NULL) {
    const char *wrong = map_control();
    if (wrong == NULL) wrong = load_real();
    if (wrong != NULL) {
      fprintf(stderr, "PKCS#11 shim: %s\n", wrong);
      return CKR_GENERAL_ERROR;
    }
  }
  control->calls[AT_C_GetFunctionList]++;
  *list = &functions;
  return CKR_OK;
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
  return shim_C_GetFunctionList(list);
}

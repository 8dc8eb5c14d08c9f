/*
 * NSS softokn as a module that Barbican can load. It passes every call on to the module that CLAVIGER_NSS_MODULE names, and
 * does two things that this one does not: it exports each function by its name, as the standard says and Barbican looks
 * them up (openstack/barbican: barbican/plugin/crypto/pkcs11.py), and it gives C_Initialize what NSS wants to be
 * initialised with, CLAVIGER_NSS_PARAMETERS, for which Barbican has no option.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include <pkcs11/pkcs11.h>

/* As NSS has it (mozilla/nss: lib/util/pkcs11t.h): the standard's, with one member more. */
struct nss_initialize_args {
  CK_CREATEMUTEX create_mutex;
  CK_DESTROYMUTEX destroy_mutex;
  CK_LOCKMUTEX lock_mutex;
  CK_UNLOCKMUTEX unlock_mutex;
  CK_FLAGS flags;
  char *library_parameters;
  CK_VOID_PTR reserved;
};

static CK_FUNCTION_LIST_PTR real;
static CK_FUNCTION_LIST functions;

/* Whatever the caller wants: NSS starts with the system's locks only. */
static CK_RV initialize_with_parameters(CK_VOID_PTR args)
{
  (void)args;
  struct nss_initialize_args nss = {
      .flags = CKF_OS_LOCKING_OK,
      .library_parameters = getenv("CLAVIGER_NSS_PARAMETERS"),
  };
  return real->C_Initialize(&nss);
}

__attribute__((constructor)) static void load_real(void)
{
  const char *path = getenv("CLAVIGER_NSS_MODULE");
  void *module = path == NULL ? NULL : dlopen(path, RTLD_NOW | RTLD_LOCAL);
  CK_C_GetFunctionList get_list =
      module == NULL ? NULL : (CK_C_GetFunctionList)dlsym(module, "C_GetFunctionList");
  if (get_list == NULL || get_list(&real) != CKR_OK) {
    fprintf(stderr, "CLAVIGER_NSS_MODULE names no PKCS#11 module\n");
    exit(1);
  }
  functions = *real;
  functions.C_Initialize = initialize_with_parameters;
  functions.C_GetFunctionList = C_GetFunctionList;
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
  *list = &functions;
  return CKR_OK;
}

#define FORWARD(name, parameters, arguments) \
  CK_RV name parameters { return functions.name arguments; }
#define FORWARD_1(name, A) FORWARD(name, (A a), (a))
#define FORWARD_2(name, A, B) FORWARD(name, (A a, B b), (a, b))
#define FORWARD_3(name, A, B, C) FORWARD(name, (A a, B b, C c), (a, b, c))
#define FORWARD_4(name, A, B, C, D) FORWARD(name, (A a, B b, C c, D d), (a, b, c, d))
#define FORWARD_5(name, A, B, C, D, E) FORWARD(name, (A a, B b, C c, D d, E e), (a, b, c, d, e))
#define FORWARD_6(name, A, B, C, D, E, F) FORWARD(name, (A a, B b, C c, D d, E e, F f), (a, b, c, d, e, f))
#define FORWARD_8(name, A, B, C, D, E, F, G, H) \
  FORWARD(name, (A a, B b, C c, D d, E e, F f, G g, H h), (a, b, c, d, e, f, g, h))
#include "../pkcs11/shim/functions.h"
FORWARD_3(C_GetMechanismList, CK_SLOT_ID, CK_MECHANISM_TYPE_PTR, CK_ULONG_PTR)
FORWARD_3(C_GetMechanismInfo, CK_SLOT_ID, CK_MECHANISM_TYPE, CK_MECHANISM_INFO_PTR)
FORWARD_6(C_WrapKey, CK_SESSION_HANDLE, CK_MECHANISM_PTR, CK_OBJECT_HANDLE, CK_OBJECT_HANDLE, CK_BYTE_PTR,
          CK_ULONG_PTR)

/*
 * The floor for PKCS#11 units: the same work inside the token by a plain loop in C, one process, one thread, no store,
 * no messages.
 *
 * - rewrap: unwrap a KEK under the old master key, wrap it under the new one, unwrap the new blob, compare the check value
 *   of what came out, destroy both. The master keys are token objects, used through session copies.
 * - gcm: AES-256-GCM of 64 bytes with a 12-byte IV, 100 bytes of AAD and a 16-byte tag, with one key.
 * - derivedGcm: the same, each message with a key of its own by CKM_AES_CBC_ENCRYPT_DATA, destroyed after it.
 * - barbican, alone and with -b: check the HMAC over a wrapped project KEK, unwrap it under the old MKEK, wrap it under the
 *   new one, unwrap the new blob, compare both by their check values, destroy both, sign the new blob. All four master keys
 *   are used through session copies. Its seconds are those of processor time, because what it is compared with is spread
 *   over several processes.
 *
 * Usage: floor [-b] [-i LIBRARY_PARAMETERS] [-n ROWS] [-o OPERATIONS] [-p] MODULE LABEL WRAP_MECHANISM
 * With -p, keys of the session are no private objects (CKA_PRIVATE is false). The PIN is the first line of the standard
 * input. Prints one JSON object. What it made is destroyed, also if a call fails.
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <pkcs11/pkcs11.h>

#define WRAPPED_LIMIT 64
#define CHECK_VALUE_BYTES 16
#define DIGEST_BYTES 32
#define IV_BYTES 12
#define TAG_BYTES 16
#define MESSAGE_BYTES 64
#define AAD_BYTES 100
#define KEY_BYTES 32
#define HMAC_BYTES 32
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* What NSS calls CK_C_INITIALIZE_ARGS: with its parameters, as text, before pReserved. */
struct initialize_args {
  CK_CREATEMUTEX create;
  CK_DESTROYMUTEX destroy;
  CK_LOCKMUTEX lock;
  CK_UNLOCKMUTEX unlock;
  CK_FLAGS flags;
  char *library_parameters;
  CK_VOID_PTR reserved;
};

struct wrapped_kek {
  CK_BYTE blob[WRAPPED_LIMIT];
  CK_ULONG length;
  CK_BYTE check_value[CHECK_VALUE_BYTES];
};

struct project_key {
  CK_BYTE blob[WRAPPED_LIMIT];
  CK_ULONG length;
  CK_BYTE hmac[HMAC_BYTES];
};

static CK_FUNCTION_LIST_PTR p11;
static CK_SESSION_HANDLE session;
static CK_OBJECT_HANDLE token_objects[4];
static size_t token_object_count;

static CK_BBOOL yes = CK_TRUE;
static CK_BBOOL no = CK_FALSE;
static CK_BBOOL is_private = CK_TRUE;
static CK_OBJECT_CLASS secret_key = CKO_SECRET_KEY;
static CK_KEY_TYPE aes = CKK_AES;
static CK_ULONG key_bytes = KEY_BYTES;
static CK_MECHANISM wrap_mechanism;
static CK_MECHANISM generate_aes = {CKM_AES_KEY_GEN, NULL, 0};

static void destroy_token_objects(void)
{
  while (token_object_count > 0) p11->C_DestroyObject(session, token_objects[--token_object_count]);
}

static void fail(const char *what)
{
  fprintf(stderr, "floor: %s\n", what);
  destroy_token_objects();
  exit(EXIT_FAILURE);
}

static void check(CK_RV rv, const char *call)
{
  if (rv == CKR_OK) return;
  char what[100];
  snprintf(what, sizeof what, "%.*s: 0x%lx", (int)strcspn(call, "("), call, rv);
  fail(what);
}

/* DO(C_Logout(session)) */
#define DO(call) check(p11->call, #call)

static double seconds_of(clockid_t clock)
{
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

static double seconds(void)
{
  return seconds_of(CLOCK_MONOTONIC);
}

static void load(const char *path, char *library_parameters)
{
  void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (module == NULL) fail(dlerror());
  CK_C_GetFunctionList get_list = (CK_C_GetFunctionList)dlsym(module, "C_GetFunctionList");
  if (get_list == NULL) fail("the module has no C_GetFunctionList");
  check(get_list(&p11), "C_GetFunctionList");
  struct initialize_args args = {.flags = CKF_OS_LOCKING_OK, .library_parameters = library_parameters};
  DO(C_Initialize(&args));
}

static CK_SLOT_ID slot_of(const char *label)
{
  CK_SLOT_ID slots[64];
  CK_ULONG count = COUNT(slots);
  DO(C_GetSlotList(CK_TRUE, slots, &count));
  for (CK_ULONG i = 0; i < count; i++) {
    CK_TOKEN_INFO info;
    DO(C_GetTokenInfo(slots[i], &info));
    size_t length = sizeof info.label;
    while (length > 0 && info.label[length - 1] == ' ') length--;
    if (length == strlen(label) && memcmp(info.label, label, length) == 0) return slots[i];
  }
  fail("there is no token of this label");
  return 0;
}

static void log_in(const char *label)
{
  DO(C_OpenSession(slot_of(label), CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session));
  char pin[256];
  if (fgets(pin, sizeof pin, stdin) == NULL) fail("there is no PIN on the standard input");
  CK_RV rv = p11->C_Login(session, CKU_USER, (CK_BYTE_PTR)pin, strcspn(pin, "\n"));
  explicit_bzero(pin, sizeof pin);
  check(rv, "C_Login");
}

/* Of a token object, which is destroyed at the end. */
static CK_OBJECT_HANDLE session_copy(CK_OBJECT_HANDLE object)
{
  token_objects[token_object_count++] = object;
  CK_ATTRIBUTE template[] = {{CKA_TOKEN, &no, sizeof no}};
  CK_OBJECT_HANDLE copy;
  DO(C_CopyObject(session, object, template, COUNT(template), &copy));
  return copy;
}

/* A master key is a token object; what is returned is its session copy. */
static CK_OBJECT_HANDLE make_master_key(void)
{
  CK_ATTRIBUTE template[] = {
      {CKA_CLASS, &secret_key, sizeof secret_key}, {CKA_KEY_TYPE, &aes, sizeof aes},
      {CKA_VALUE_LEN, &key_bytes, sizeof key_bytes}, {CKA_TOKEN, &yes, sizeof yes},
      {CKA_PRIVATE, &yes, sizeof yes}, {CKA_SENSITIVE, &yes, sizeof yes},
      {CKA_EXTRACTABLE, &no, sizeof no}, {CKA_WRAP, &yes, sizeof yes},
      {CKA_UNWRAP, &yes, sizeof yes},
  };
  CK_OBJECT_HANDLE object;
  DO(C_GenerateKey(session, &generate_aes, template, COUNT(template), &object));
  return session_copy(object);
}

static CK_OBJECT_HANDLE unwrap(CK_OBJECT_HANDLE master_key, CK_BYTE_PTR blob, CK_ULONG length)
{
  CK_ATTRIBUTE template[] = {
      {CKA_CLASS, &secret_key, sizeof secret_key}, {CKA_KEY_TYPE, &aes, sizeof aes},
      {CKA_TOKEN, &no, sizeof no}, {CKA_PRIVATE, &is_private, sizeof is_private},
      {CKA_SENSITIVE, &yes, sizeof yes}, {CKA_EXTRACTABLE, &yes, sizeof yes},
  };
  CK_OBJECT_HANDLE kek;
  DO(C_UnwrapKey(session, &wrap_mechanism, master_key, blob, length, template, COUNT(template), &kek));
  return kek;
}

static CK_ULONG wrap(CK_OBJECT_HANDLE master_key, CK_OBJECT_HANDLE kek, CK_BYTE_PTR blob)
{
  CK_ULONG length = WRAPPED_LIMIT;
  DO(C_WrapKey(session, &wrap_mechanism, master_key, kek, blob, &length));
  return length;
}

/* The first 16 bytes of SHA-256(prefix, key), computed by the token. */
static void compute_check_value(CK_OBJECT_HANDLE kek, CK_BYTE_PTR check_value)
{
  static CK_BYTE prefix[] = "claviger key check value 1";
  CK_MECHANISM sha256 = {CKM_SHA256, NULL, 0};
  CK_BYTE digest[DIGEST_BYTES];
  CK_ULONG length = sizeof digest;
  DO(C_DigestInit(session, &sha256));
  DO(C_DigestUpdate(session, prefix, sizeof prefix - 1));
  DO(C_DigestKey(session, kek));
  DO(C_DigestFinal(session, digest, &length));
  memcpy(check_value, digest, CHECK_VALUE_BYTES);
}

static void make_kek(CK_OBJECT_HANDLE master_key, struct wrapped_kek *made)
{
  CK_ATTRIBUTE template[] = {
      {CKA_VALUE_LEN, &key_bytes, sizeof key_bytes}, {CKA_TOKEN, &no, sizeof no},
      {CKA_PRIVATE, &is_private, sizeof is_private}, {CKA_SENSITIVE, &yes, sizeof yes},
      {CKA_EXTRACTABLE, &yes, sizeof yes},
  };
  CK_OBJECT_HANDLE kek;
  DO(C_GenerateKey(session, &generate_aes, template, COUNT(template), &kek));
  made->length = wrap(master_key, kek, made->blob);
  compute_check_value(kek, made->check_value);
  DO(C_DestroyObject(session, kek));
}

static void rewrap_row(CK_OBJECT_HANDLE old_key, CK_OBJECT_HANDLE new_key, struct wrapped_kek *row)
{
  CK_OBJECT_HANDLE kek = unwrap(old_key, row->blob, row->length);
  CK_BYTE blob[WRAPPED_LIMIT];
  CK_ULONG length = wrap(new_key, kek, blob);
  CK_OBJECT_HANDLE again = unwrap(new_key, blob, length);
  CK_BYTE check_value[CHECK_VALUE_BYTES];
  compute_check_value(again, check_value);
  if (memcmp(check_value, row->check_value, CHECK_VALUE_BYTES) != 0) fail("a KEK changed");
  DO(C_DestroyObject(session, kek));
  DO(C_DestroyObject(session, again));
}

static double measure_rewrap(size_t rows)
{
  CK_OBJECT_HANDLE old_key = make_master_key();
  CK_OBJECT_HANDLE new_key = make_master_key();
  struct wrapped_kek *keks = calloc(rows, sizeof *keks);
  if (keks == NULL) fail("out of memory");
  for (size_t i = 0; i < rows; i++) make_kek(old_key, &keks[i]);
  double started = seconds();
  for (size_t i = 0; i < rows; i++) rewrap_row(old_key, new_key, &keks[i]);
  double took = seconds() - started;
  free(keks);
  destroy_token_objects();
  return took;
}

static CK_OBJECT_HANDLE make_hmac_key(void)
{
  CK_MECHANISM generate = {CKM_GENERIC_SECRET_KEY_GEN, NULL, 0};
  CK_KEY_TYPE generic = CKK_GENERIC_SECRET;
  CK_ATTRIBUTE template[] = {
      {CKA_CLASS, &secret_key, sizeof secret_key}, {CKA_KEY_TYPE, &generic, sizeof generic},
      {CKA_VALUE_LEN, &key_bytes, sizeof key_bytes}, {CKA_TOKEN, &yes, sizeof yes},
      {CKA_PRIVATE, &yes, sizeof yes}, {CKA_SENSITIVE, &yes, sizeof yes},
      {CKA_EXTRACTABLE, &no, sizeof no}, {CKA_SIGN, &yes, sizeof yes},
  };
  CK_OBJECT_HANDLE object;
  DO(C_GenerateKey(session, &generate, template, COUNT(template), &object));
  return session_copy(object);
}

static void sign(CK_OBJECT_HANDLE hmac_key, struct project_key *key)
{
  CK_MECHANISM hmac = {CKM_SHA256_HMAC, NULL, 0};
  CK_ULONG length = HMAC_BYTES;
  DO(C_SignInit(session, &hmac, hmac_key));
  DO(C_Sign(session, key->blob, key->length, key->hmac, &length));
}

/* An MKEK and its HMAC key. */
struct masters {
  CK_OBJECT_HANDLE mkek;
  CK_OBJECT_HANDLE hmac;
};

static void rewrap_project_key(struct masters from, struct masters to, const struct project_key *row)
{
  struct project_key old = *row;
  sign(from.hmac, &old);
  if (memcmp(old.hmac, row->hmac, HMAC_BYTES) != 0) fail("an HMAC changed");
  CK_OBJECT_HANDLE key = unwrap(from.mkek, old.blob, old.length);
  struct project_key made;
  made.length = wrap(to.mkek, key, made.blob);
  CK_OBJECT_HANDLE again = unwrap(to.mkek, made.blob, made.length);
  CK_BYTE check_values[2][CHECK_VALUE_BYTES];
  compute_check_value(key, check_values[0]);
  compute_check_value(again, check_values[1]);
  if (memcmp(check_values[0], check_values[1], CHECK_VALUE_BYTES) != 0) fail("a project KEK changed");
  DO(C_DestroyObject(session, again));
  sign(to.hmac, &made);
  DO(C_DestroyObject(session, key));
}

static double measure_barbican(size_t rows)
{
  struct masters from = {make_master_key(), make_hmac_key()};
  struct masters to = {make_master_key(), make_hmac_key()};
  struct project_key *keys = calloc(rows, sizeof *keys);
  if (keys == NULL) fail("out of memory");
  for (size_t i = 0; i < rows; i++) {
    struct wrapped_kek made;
    make_kek(from.mkek, &made);
    memcpy(keys[i].blob, made.blob, made.length);
    keys[i].length = made.length;
    sign(from.hmac, &keys[i]);
  }
  double started = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
  for (size_t i = 0; i < rows; i++) rewrap_project_key(from, to, &keys[i]);
  double took = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - started;
  free(keys);
  destroy_token_objects();
  return took;
}

/* `n` is the IV: no two messages under one key have the same. */
static void encrypt_message(CK_OBJECT_HANDLE key, size_t n)
{
  static CK_BYTE aad[AAD_BYTES];
  static CK_BYTE message[MESSAGE_BYTES];
  CK_BYTE iv[IV_BYTES] = {0};
  memcpy(iv, &n, sizeof n);
  CK_GCM_PARAMS parameters = {iv, sizeof iv, sizeof iv * 8, aad, sizeof aad, TAG_BYTES * 8};
  CK_MECHANISM gcm = {CKM_AES_GCM, &parameters, sizeof parameters};
  CK_BYTE out[MESSAGE_BYTES + TAG_BYTES];
  CK_ULONG length = sizeof out;
  DO(C_EncryptInit(session, &gcm, key));
  DO(C_Encrypt(session, message, sizeof message, out, &length));
  if (length != sizeof out) fail("AES-GCM gives another length");
}

static CK_OBJECT_HANDLE derive_message_key(CK_OBJECT_HANDLE key, size_t n)
{
  CK_BYTE data[KEY_BYTES] = {0};
  CK_AES_CBC_ENCRYPT_DATA_PARAMS parameters = {.pData = data, .length = sizeof data};
  memset(parameters.iv, 0, sizeof parameters.iv);
  memcpy(parameters.iv, &n, sizeof n);
  CK_MECHANISM derive = {CKM_AES_CBC_ENCRYPT_DATA, &parameters, sizeof parameters};
  CK_ATTRIBUTE template[] = {
      {CKA_CLASS, &secret_key, sizeof secret_key}, {CKA_KEY_TYPE, &aes, sizeof aes},
      {CKA_VALUE_LEN, &key_bytes, sizeof key_bytes}, {CKA_TOKEN, &no, sizeof no},
      {CKA_PRIVATE, &is_private, sizeof is_private}, {CKA_SENSITIVE, &yes, sizeof yes},
      {CKA_EXTRACTABLE, &no, sizeof no}, {CKA_ENCRYPT, &yes, sizeof yes},
  };
  CK_OBJECT_HANDLE message_key;
  DO(C_DeriveKey(session, &derive, key, template, COUNT(template), &message_key));
  return message_key;
}

static double measure_gcm(size_t operations, bool derived)
{
  CK_ATTRIBUTE template[] = {
      {CKA_VALUE_LEN, &key_bytes, sizeof key_bytes}, {CKA_TOKEN, &no, sizeof no},
      {CKA_PRIVATE, &is_private, sizeof is_private}, {CKA_SENSITIVE, &yes, sizeof yes},
      {CKA_EXTRACTABLE, &no, sizeof no}, {CKA_ENCRYPT, &yes, sizeof yes},
      {CKA_DERIVE, &yes, sizeof yes},
  };
  CK_OBJECT_HANDLE key;
  DO(C_GenerateKey(session, &generate_aes, template, COUNT(template), &key));
  double started = seconds();
  for (size_t i = 0; i < operations; i++) {
    if (!derived) {
      encrypt_message(key, i);
      continue;
    }
    CK_OBJECT_HANDLE message_key = derive_message_key(key, i);
    encrypt_message(message_key, i);
    DO(C_DestroyObject(session, message_key));
  }
  double took = seconds() - started;
  DO(C_DestroyObject(session, key));
  return took;
}

static void print_rate(const char *name, size_t count, double took, const char *end)
{
  printf("\"%s\":{\"count\":%zu,\"seconds\":%.6f,\"perSecond\":%.1f}%s", name, count, took, count / took, end);
}

int main(int argc, char **argv)
{
  char *library_parameters = NULL;
  size_t rows = 20000;
  size_t operations = 50000;
  bool is_barbican = false;
  for (int option; (option = getopt(argc, argv, "bi:n:o:p")) != -1;) {
    if (option == 'b') is_barbican = true;
    else if (option == 'i') library_parameters = optarg;
    else if (option == 'n') rows = strtoul(optarg, NULL, 10);
    else if (option == 'o') operations = strtoul(optarg, NULL, 10);
    else if (option == 'p') is_private = CK_FALSE;
    else return 2;
  }
  if (argc - optind != 3 || rows == 0 || operations == 0) fail("three arguments: MODULE LABEL WRAP_MECHANISM");
  wrap_mechanism.mechanism = strtoul(argv[optind + 2], NULL, 0);
  load(argv[optind], library_parameters);
  log_in(argv[optind + 1]);
  if (is_barbican) {
    double barbican = measure_barbican(rows);
    DO(C_Finalize(NULL));
    putchar('{');
    print_rate("barbican", rows, barbican, "}\n");
    return EXIT_SUCCESS;
  }
  double rewrap = measure_rewrap(rows);
  double gcm = measure_gcm(operations, false);
  double derived_gcm = measure_gcm(operations, true);
  DO(C_Finalize(NULL));
  putchar('{');
  print_rate("rewrap", rows, rewrap, ",");
  print_rate("gcm", operations, gcm, ",");
  print_rate("derivedGcm", operations, derived_gcm, "}\n");
  return EXIT_SUCCESS;
}

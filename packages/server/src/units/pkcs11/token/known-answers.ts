/*
 * Published answers that a token has to give. The keys are known, so nothing here is secret. A test checks them against
 * node:crypto.
 */

/** RFC 3394 §4.6: 32 bytes of key under a 256-bit KEK, and the same key by the ways that are taken for it. */
export const KEY_WRAP = {
  kek: hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"),
  key: hex("00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f"),
  kw: hex("28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"),
  /** RFC 5649; in no document. */
  kwp: hex("4a8029243027353b0694cf1bd8fc745bb0ce8a739b19b1960b12426d4c39cfeda926d103ab34e9f6"),
  /** RFC 3394 over the key and PKCS#7 padding to a multiple of 8 or 16: 8 or 16 bytes. */
  pkcs7To8: hex(
    "bedda2ae2bd4d45a988036805e20310b9ad335f0b4e5ff4990fb044c6f42fb1cd54845d801a044a2bbc7d84a49d48390",
  ),
  pkcs7To16: hex(
    "face85d347f3c231852be1609c4e176f1d0303f8a55c43a24775763e3aa2b55e47cbe89b4bae2e6f58af9e3c3d088e4949c178ab78beeddb",
  ),
} as const;

/** RFC 5649 §6: lengths that are no multiple of 8, under a 192-bit KEK. */
export const ODD_LENGTHS = {
  kek: hex("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8"),
  keys: [
    {
      key: hex("c37b7e6492584340bed12207808941155068f738"),
      wrapped: hex("138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a"),
    },
    { key: hex("466f7250617369"), wrapped: hex("afbeb0f07dfbf5419200f2ccb50bb24f") },
  ],
} as const;

/**
 * RFC 4231 §4.7 (test case 6). Its key is longer than a block and so stands for its SHA-256 (RFC 2104 §2), which has the
 * length of Claviger's keys: that is the key here.
 */
export const HMAC = {
  longKey: Buffer.alloc(131, 0xaa),
  key: hex("45ad4b37c6e2fc0a2cfcc1b5da524132ec707615c2cae1dbbc43c97aa521db81"),
  data: Buffer.from("Test Using Larger Than Block-Size Key - Hash Key First", "latin1"),
  mac: hex("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
} as const;

/** The Galois/Counter Mode of Operation (McGrew, Viega), test case 16. */
export const GCM = {
  key: hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"),
  iv: hex("cafebabefacedbaddecaf888"),
  plaintext: hex(
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
  ),
  aad: hex("feedfacedeadbeeffeedfacedeadbeefabaddad2"),
  sealed: hex(
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b",
  ),
} as const;

/** NIST SP 800-38A §F.1.5 and §F.2.5: the first two blocks, in CBC and, the first of them, in ECB. */
export const CBC_AND_ECB = {
  key: hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"),
  iv: hex("000102030405060708090a0b0c0d0e0f"),
  data: hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"),
  cbc: hex("f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"),
  ecb: hex("f3eed1bdb5d2a03c064b5a7e3db181f8"),
} as const;

function hex(digits: string): Buffer {
  return Buffer.from(digits, "hex");
}

import { Socket } from "node:net";

/** A unit host whose memory a module has spoilt: it answers its start, and then with a frame of four gigabytes. */
const started = Buffer.from([0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
const garbled = Buffer.alloc(64, 0xff);

const pipe = new Socket({ fd: 3 });
pipe.once("data", () => {
  pipe.write(started);
  pipe.on("data", () => pipe.write(garbled));
});
pipe.on("close", () => process.exit());

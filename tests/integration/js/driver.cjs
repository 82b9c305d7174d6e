// Drives the published retell-client-js-sdk 1.3.3 in Node. The SDK is untouched; only what a browser would
// bring is stubbed: the audio context with its two ways of capture and playback, and the microphone.
//
// node driver.cjs ENDPOINT CALL_ID SAMPLE_RATE chrome|other; prints one JSON object per event.
"use strict";

const { createRequire } = require("node:module");

const [endpoint, callId, rate, browser] = process.argv.slice(2);
const sampleRate = Number(rate);
const SPEECH_SECONDS = 1.2;

// The microphone: silence, and a 440 Hz tone for a while each time `speak()` is called.
const microphone = {
  position: 0,
  speaksUntil: 0,
  speak() {
    this.speaksUntil = this.position + SPEECH_SECONDS * sampleRate;
  },
  read(samples) {
    const sound = new Float32Array(samples);
    for (let i = 0; i < samples; i++, this.position++) {
      if (this.position < this.speaksUntil) sound[i] = 0.3 * Math.sin((2 * Math.PI * 440 * this.position) / sampleRate);
    }
    return sound;
  },
};

// Calls `work` with the sound card's pace: blocks of so many samples, by absolute deadlines.
function everyBlock(samples, work) {
  const start = performance.now();
  let blocks = 0;
  return setInterval(() => {
    for (; start + (blocks * samples * 1000) / sampleRate <= performance.now(); blocks++) work(samples);
  }, 4);
}

class FakePort {
  constructor() {
    this.onmessage = null;
    this.other = null;
  }
  postMessage(data) {
    setImmediate(() => this.other.onmessage?.({ data }));
  }
}

const processors = {};
let nextPort = null;

global.AudioWorkletProcessor = class {
  constructor() {
    this.port = nextPort;
  }
};
global.registerProcessor = (name, processor) => {
  processors[name] = processor;
};
global.AudioWorkletNode = class {
  constructor(_context, name) {
    this.port = new FakePort();
    nextPort = new FakePort();
    nextPort.other = this.port;
    this.port.other = nextPort;
    const processor = new processors[name]();
    this.timer = everyBlock(128, (samples) =>
      processor.process([[microphone.read(samples)]], [[new Float32Array(samples), new Float32Array(samples)]], {}),
    );
  }
  connect() {}
  disconnect() {
    clearInterval(this.timer);
  }
};

global.AudioContext = class {
  constructor({ sampleRate: wanted }) {
    this.sampleRate = wanted;
    this.destination = {};
    this.audioWorklet = {
      addModule: async (url) => {
        const code = await (await fetch(url)).text();
        new Function(code)();
      },
    };
  }
  createMediaStreamSource() {
    return { connect() {} };
  }
  createScriptProcessor(size) {
    const node = { onaudioprocess: null, connect() {}, disconnect: () => clearInterval(timer) };
    const timer = everyBlock(size, (samples) => {
      const [input, output] = [microphone.read(samples), new Float32Array(samples)];
      node.onaudioprocess?.({
        inputBuffer: { getChannelData: () => input },
        outputBuffer: { getChannelData: () => output },
      });
    });
    return node;
  }
  resume() {}
  suspend() {}
  close() {}
};

const isChrome = browser === "chrome";
Object.defineProperty(global, "navigator", {
  value: {
    userAgent: isChrome ? "Mozilla/5.0 Chrome/126.0" : "Mozilla/5.0 Firefox/127.0",
    vendor: isChrome ? "Google Inc." : "",
    mediaDevices: { getUserMedia: async () => ({ getTracks: () => [{ stop() {} }] }) },
  },
});
console.log = () => {}; // the SDK's own chatter
const tell = (event, data) => process.stdout.write(`${JSON.stringify({ event, data })}\n`);

const { RetellWebClient } = createRequire(`${process.cwd()}/`)("retell-client-js-sdk");
const client = new RetellWebClient(endpoint);
let playedBytes = 0;
let audibleBytes = 0;

client.on("audio", (audio) => {
  playedBytes += audio.length;
  audibleBytes += audio.filter((byte) => byte !== 0).length;
});
for (const event of ["conversationStarted", "update", "metadata", "agentStartTalking", "disconnect", "reconnect"]) {
  client.on(event, (data) => tell(event, data));
}
client.on("agentStopTalking", () => {
  tell("agentStopTalking");
  microphone.speak();
});
client.on("error", (error) => tell("error", String(error)));
client.on("conversationEnded", (data) => {
  tell("audio", { playedBytes, audibleBytes });
  tell("conversationEnded", data);
  process.exit(0);
});
client.startConversation({ callId, sampleRate, enableUpdate: true });

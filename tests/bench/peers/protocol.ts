/**
 * What the benchmark and a peer say to each other: JSON lines, one answer to each request. The peer speaks first (a
 * greeting, or an error) and ends when its input ends. transformers_generate.py speaks the same.
 */

/** How a peer decodes; `lookup`: with drafts from the prompt. */
export interface PeerSetting {
  concurrency: number;
  lookup: boolean;
}

export interface PeerGreeting {
  /** Version, precision, threads or device: for the report. */
  about: string;
  /** Whether the setting `lookup` is known. */
  lookup: boolean;
}

export interface PeerRequest {
  setting: PeerSetting;
  prompts: number[][];
  /** Ids that end a text. */
  endTokens: number[];
  maxNewTokens: number;
}

export interface PeerAnswer {
  /** For each prompt the ids it gave, its end token included. */
  outputs: number[][];
  /** Milliseconds of the whole work, and of the prompts' processing in it. */
  wall: number;
  prefill: number;
  /** Decode steps of a text, summed over the texts. */
  decodeSteps: number;
}

/** The device can't take so many texts at once; the peer goes on. */
export interface PeerOutOfMemory {
  outOfMemory: true;
}

/** The peer can't go on. */
export interface PeerError {
  error: string;
}

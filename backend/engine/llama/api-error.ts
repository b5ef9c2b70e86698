// The errors that the llama server answers, in OpenAI's shape. They name parameters and limits, never content.

/** Every code that this server answers; each has one status. */
const STATUS = {
  invalid_json: 400,
  invalid_value: 400,
  unsupported_parameter: 400,
  unsupported_content: 400,
  context_length_exceeded: 400,
  model_not_found: 404,
  not_found: 404,
  method_not_allowed: 405,
  request_too_large: 413,
  generation_failed: 500,
  engine_loading: 503,
  engine_overloaded: 503,
} as const;

export type ApiErrorCode = keyof typeof STATUS;

/** Seconds after which a refusal for want of room may be worth another try. */
export const RETRY_AFTER_SECONDS = 2;

/** `{error:{message,type,param,code}}`, what OpenAI's SDKs understand. */
export interface ApiErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: ApiErrorCode;
  };
}

/** A refusal with its status, its stable code and the request member it is about. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: ApiErrorCode;
  readonly status: number;
  readonly param: string | undefined;
  constructor(code: ApiErrorCode, message: string, param?: string) {
    super(message);
    this.code = code;
    this.status = STATUS[code];
    this.param = param;
  }

  /** The JSON body. */
  body(): ApiErrorBody {
    const type = this.status >= 500 ? 'server_error' : 'invalid_request_error';
    return { error: { message: this.message, type, param: this.param ?? null, code: this.code } };
  }
}

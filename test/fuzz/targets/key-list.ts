// Fuzzes the three readers of `application/ohttp-keys`; what one takes and re-encodes is what it read.

import type { Bytes } from '../../../shared/bytes/concat.ts';
import { equalBytes } from '../../../shared/bytes/equal.ts';
import { encodeKeyConfigList, parseKeyConfigList } from '../../../shared/sealing/key-config.ts';
import { SealingError } from '../../../shared/sealing/sealing-error.ts';
import { KeyListError, splitKeyList } from '../../../shared/wire/key-list.ts';
import { readKemIds } from '../../../shared/wire/key-list-kems.ts';
import { allow, must } from './allow.ts';

export function fuzz(input: Bytes): void {
  readKemIds(input);
  const listed = allow(() => splitKeyList(input), KeyListError);
  const configs = allow(() => parseKeyConfigList(input), SealingError);
  if (configs === undefined || listed === undefined) return;
  must(configs.length <= listed.length, 'more configurations than the list has');
  if (configs.length === listed.length)
    must(equalBytes(encodeKeyConfigList(configs), input), 'the list comes out as another');
}

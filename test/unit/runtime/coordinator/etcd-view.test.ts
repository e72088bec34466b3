import { describe, expect, test } from 'vitest';
import type { EtcdKeys, EtcdKeyValue } from '../../../../src/runtime/coordinator/etcd-messages.js';
import { eventOf, keysOf, rangeOf } from '../../../../src/runtime/coordinator/etcd-messages.js';
import { EtcdView } from '../../../../src/runtime/coordinator/etcd-view.js';
import { primaryRecordText } from '../../../../src/runtime/coordinator/primary-record.js';

const LEADER = 'rwsplit/shop/leader';
const RECORD = 'rwsplit/shop/record';
const BASE = 'rwsplit/shop/base';

function key(name: string, revision: number, value = 'x'): EtcdKeyValue {
  return { key: name, value, createRevision: revision, modRevision: revision, lease: '0' };
}

function record(epoch: number): string {
  return primaryRecordText({ epoch, phase: 'primary', serverUuid: 'u', node: 'n', gtid: '' });
}

function at(revision: number, ...keys: readonly EtcdKeyValue[]): EtcdKeys {
  return { revision, raftTerm: 1, keys };
}

describe('what is known of the keys in etcd', () => {
  test('is the newest, in whatever order answers and events come', () => {
    const view = new EtcdView('rwsplit', 'shop');
    view.takeEvent({ kind: 'put', keyValue: key(LEADER, 5, 'b') });
    expect(view.takeAll(at(4, key(LEADER, 2, 'a')), 0)).toBe(false);
    expect(view.leader?.value).toBe('b');
    expect(view.epoch).toBe(5);
    view.takeEvent({ kind: 'delete', keyValue: key(LEADER, 9) });
    expect(view.takeAll(at(8, key(LEADER, 5, 'b')), 4)).toBe(false);
    expect(view.leader).toBeUndefined();
    expect(view.takeAll(at(10, key(LEADER, 10, 'c')), 8)).toBe(true);
    expect(view.leader?.value).toBe('c');
    expect(view.revision).toBe(10);
  });

  test('is no change where the same record is read again', () => {
    const view = new EtcdView('rwsplit', 'shop');
    const stored = key(RECORD, 3, record(2));
    expect(view.takeAll(at(3, stored), 0)).toBe(true);
    const first = view.record;
    expect(first?.epoch).toBe(2);
    expect(view.takeAll(at(7, stored), 3)).toBe(false);
    expect(view.record).toBe(first);
  });

  test('is no older record, and no nonsense: the last good one stays, and why is told', () => {
    const view = new EtcdView('rwsplit', 'shop');
    view.takeEvent({ kind: 'put', keyValue: key(RECORD, 3, record(5)) });
    view.takeEvent({ kind: 'put', keyValue: key(RECORD, 4, record(4)) });
    expect(view.misfit).toBe(`${RECORD} went back from epoch 5 to 4`);
    view.takeEvent({ kind: 'put', keyValue: key(RECORD, 5, 'nonsense') });
    expect(view.misfit).toBe(`${RECORD} is no record of a primary`);
    expect(view.record?.epoch).toBe(5);
    expect(view.storedRecord?.value).toBe('nonsense');
    view.takeEvent({ kind: 'put', keyValue: key(RECORD, 6, record(6)) });
    expect(view.misfit).toBeUndefined();
    expect(view.record?.epoch).toBe(6);
  });

  test('is forgotten where etcd was emptied, but for the record', () => {
    const view = new EtcdView('rwsplit', 'shop');
    view.takeAll(at(100, key(LEADER, 90), key(RECORD, 95, record(90)), key(BASE, 3, '7')), 0);
    expect(view.epoch).toBe(97);
    expect(view.takeAll(at(2), 100)).toBe(false);
    expect(view.leader).toBeUndefined();
    expect(view.base).toBe(0);
    expect(view.revision).toBe(2);
    expect(view.record?.epoch).toBe(90);
    expect(view.takeAll(at(3, key(LEADER, 3, 'd')), 2)).toBe(true);
    expect(view.epoch).toBe(3);
  });

  test("is of one cluster alone, and not of another's keys", () => {
    const view = new EtcdView('rwsplit/', 'shop/eu');
    expect(view.prefix).toBe('rwsplit/shop%2Feu/');
    view.takeEvent({ kind: 'put', keyValue: key('rwsplit/shop%2Feu/other', 3) });
    expect(view.takeAll(at(3, key(LEADER, 3)), 0)).toBe(false);
    expect(view.leader).toBeUndefined();
  });
});

describe("etcd's messages", () => {
  test('are read though numbers are texts, and what is empty is left out', () => {
    const kvs = [{ key: 'YQ==', value: 'Yg==', create_revision: '5', mod_revision: '7', lease: '7587862094837164037' }];
    expect(keysOf({ header: {}, kvs: [...kvs, { key: 'YQ==' }] })).toEqual([
      { key: 'a', value: 'b', createRevision: 5, modRevision: 7, lease: '7587862094837164037' },
      { key: 'a', value: '', createRevision: 0, modRevision: 0, lease: '0' },
    ]);
    expect(eventOf({ type: 'DELETE', kv: kvs[0] }).kind).toBe('delete');
    expect(eventOf({ kv: kvs[0] }).kind).toBe('put');
    for (const nonsense of [undefined, null, 'x', { kvs: 'x' }]) expect(keysOf(nonsense)).toEqual([]);
  });

  test('ask for all keys below a prefix', () => {
    expect(rangeOf('a/')).toEqual({ key: 'YS8=', range_end: 'YTA=' });
  });
});

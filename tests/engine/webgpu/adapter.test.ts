import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isBusId, preferAdapter } from '../../../src/engine/webgpu/adapter.js';
import { DareError } from '../../../src/errors.js';

const test = suite('choosing a GPU by its bus id');
const folder = mkdtempSync(join(tmpdir(), 'dare-adapter-'));
const variables = ['DRI_PRIME', 'MESA_VK_DEVICE_SELECT_FORCE_DEFAULT_DEVICE'] as const;

function clean(): void {
  for (const name of variables) delete process.env[name];
}
test.before.each(clean);
test.after(() => {
  clean();
  rmSync(folder, { recursive: true });
});

/** A machine with these PCI devices, by class. */
function machine(name: string, classes: Record<string, string>, withLayer: boolean) {
  const devices = join(folder, name, 'devices');
  for (const [id, code] of Object.entries(classes)) {
    mkdirSync(join(devices, id), { recursive: true });
    writeFileSync(join(devices, id, 'class'), `${code}\n`);
  }
  const layers = [join(folder, name, 'none'), join(folder, name, 'share')];
  if (withLayer) {
    const layer = join(layers[1] as string, 'vulkan/implicit_layer.d/VkLayer_MESA_device_select.json');
    mkdirSync(dirname(layer), { recursive: true });
    writeFileSync(layer, '{}');
  }
  return { devices, layers };
}

const gpus = { '0000:65:00.0': '0x030200', '0000:e3:00.0': '0x030000', '0000:00:1f.2': '0x010601' };

function refusal(adapter: string, places: ReturnType<typeof machine>): DareError {
  try {
    preferAdapter(adapter, places);
  } catch (error) {
    assert.instance(error, DareError);
    return error as DareError;
  }
  return assert.unreachable('it was taken') as never;
}

test('a bus id is told from a name', () => {
  for (const id of ['0000:65:00.0', '0000:E3:00.0', '0001:00:1f.7']) assert.ok(isBusId(id), id);
  for (const name of ['H100', '65:00.0', '0000:65:00.8', '00000000:65:00.0', '0000:65:00.0 ', '']) {
    assert.not(isBusId(name), name);
  }
});

test('the layer is told the GPU, in its own spelling', () => {
  preferAdapter('0000:E3:00.0', machine('two', gpus, true));
  assert.is(process.env.DRI_PRIME, 'pci-0000_e3_00_0');
  assert.is(process.env.MESA_VK_DEVICE_SELECT_FORCE_DEFAULT_DEVICE, '1');
});

test('names, and the only GPU, need no layer', () => {
  preferAdapter('H100', machine('names', gpus, false));
  preferAdapter(undefined, machine('nothing', gpus, false));
  preferAdapter('0000:65:00.0', machine('one', { '0000:65:00.0': '0x030200' }, false));
  assert.is(process.env.DRI_PRIME, undefined);
});

test('a bus id without a GPU is refused with those that have one', () => {
  const error = refusal('0000:00:1f.2', machine('other', gpus, true));
  assert.is(error.exitCode, 2);
  assert.match(error.message, /no GPU at the PCI bus id 0000:00:1f.2 \(found: 0000:65:00.0, 0000:e3:00.0\)/);
  assert.match(refusal('0000:65:00.0', machine('bare', {}, true)).message, /\(found: none\)/);
  assert.is(process.env.DRI_PRIME, undefined);
});

test('without the layer a GPU of several is refused', () => {
  const error = refusal('0000:65:00.0', machine('no layer', gpus, false));
  assert.is(error.exitCode, 2);
  assert.match(error.message, /needs Mesa's device selection layer/);
  assert.match(error.hint ?? '', /mesa-vulkan-drivers/);
});

test.run();

/**
 * One of several GPUs by its PCI bus id. WebGPU tells equal GPUs not apart: Dawn chooses by name. Vulkan's loader lists
 * them, and Mesa's device selection layer, which works for every vendor's driver, moves the one that DRI_PRIME names to
 * the top of that list.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { inputError } from '../../errors.js';

const busId = /^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/i;
const layerFile = 'vulkan/implicit_layer.d/VkLayer_MESA_device_select.json';
/** Where things are on Linux. */
const linux = {
  /** The kernel's list of PCI devices. */
  devices: '/sys/bus/pci/devices',
  /** Vulkan's loader looks below them for layers that are always on. */
  layers: ['/usr/share', '/usr/local/share', '/etc', '/usr/local/etc'],
};
/** PCI's class of display controllers; data centre GPUs are "3D controllers", 0x0302. */
const displayClass = '0x03';

/** Whether `adapter` is a PCI bus id (`0000:65:00.0`) and not a name. */
export function isBusId(adapter: string): boolean {
  return busId.test(adapter);
}

/**
 * Makes the GPU at this bus id the first that Vulkan lists, for the whole process. Native code sees only the main thread's
 * environment, so this is called there, before anything opens Vulkan. Names of GPUs are left to Dawn.
 * Throws inputError where there is no such GPU, or nothing that could choose it.
 */
export function preferAdapter(adapter: string | undefined, places = linux): void {
  if (adapter === undefined || !isBusId(adapter)) return;
  const id = adapter.toLowerCase();
  const present = displays(places.devices);
  if (!present.includes(id)) {
    throw inputError(
      `There is no GPU at the PCI bus id ${id} (found: ${present.join(', ') || 'none'})`,
      'model.adapter is a PCI bus id as `lspci -D` or nvidia-smi shows it, or a part of a name.',
    );
  }
  if (present.length === 1) return;
  if (!places.layers.some((place) => existsSync(join(place, layerFile)))) {
    throw inputError(
      `Choosing the GPU ${id} needs Mesa's device selection layer for Vulkan, which isn't installed`,
      'Install it (Debian and Ubuntu: mesa-vulkan-drivers), or let the container see one GPU only.',
    );
  }
  process.env.DRI_PRIME = `pci-${id.replace(/[:.]/g, '_')}`;
  process.env.MESA_VK_DEVICE_SELECT_FORCE_DEFAULT_DEVICE = '1';
}

/**
 * Checks, once a device is open, that it is the one at this bus id: the layer of Mesa 22.3 takes another one than asked for.
 * Where the kernel doesn't tell (other drivers than NVIDIA's) nothing is checked. Throws inputError.
 */
export function checkAdapter(adapter: string): void {
  const opened = openedNvidia();
  if (opened === undefined || opened === adapter.toLowerCase()) return;
  throw inputError(
    `The GPU at ${opened} was opened instead of the one at ${adapter}: Mesa's device selection layer took another`,
    'Install a newer mesa-vulkan-drivers (25.0 works, 22.3 does not), or let the container see one GPU only.',
  );
}

/** Bus ids of the display controllers. */
function displays(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((id) => readFileSync(join(folder, id, 'class'), 'utf8').startsWith(displayClass))
    .sort();
}

/**
 * The NVIDIA GPU that this process uses. The driver opens every GPU's device file to list it, and the files of the one that
 * computes several times more (19 against 7 on a host with two).
 */
function openedNvidia(): string | undefined {
  const information = '/proc/driver/nvidia/gpus';
  if (!existsSync(information)) return undefined;
  const handles = new Map<string, number>();
  for (const descriptor of readdirSync('/proc/self/fd')) {
    const minor = linkOf(`/proc/self/fd/${descriptor}`)?.match(/^\/dev\/nvidia(\d+)$/)?.[1];
    if (minor !== undefined) handles.set(minor, (handles.get(minor) ?? 0) + 1);
  }
  const [most] = [...handles].sort((a, b) => b[1] - a[1]);
  if (most === undefined) return undefined;
  return readdirSync(information).find((id) => {
    const text = readFileSync(join(information, id, 'information'), 'utf8');
    return text.match(/^Device Minor:\s*(\d+)/m)?.[1] === most[0];
  });
}

/** Undefined for a descriptor that was closed meanwhile. */
function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

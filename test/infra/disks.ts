import { missing, run } from '../log/processes.ts'

/** Why no disk can be mounted on this machine; `false` where one can. */
export const noMount =
  process.getuid?.() === 0
    ? missing('sh', '-c', 'd=$(mktemp -d) && mount -t tmpfs tmpfs $d && umount $d && rmdir $d')
    : 'only root may mount a disk'

/** Makes the folder a disk of its own, of this size. */
export const mountDisk = (folder: string, bytes: number): void =>
  void run('mount', '-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder)

export const unmountDisk = (folder: string): void => void run('umount', '-l', folder)

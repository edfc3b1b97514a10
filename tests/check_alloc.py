#!/usr/bin/env python3
"""Whatever request for memory fails, the program succeeds, or ends with status 1 and exactly one line of its own.

fail_alloc.c (LD_PRELOAD) makes the n-th request of a whole `explain` or `predict` fail, or all from the n-th on:
ours, and those of every library. Warnings may stand before the line. There is no signal, no hang, and no file under
its final name that is not whole. Limits of the address space (`ulimit -v`) do the same in the system's own way.

    check_alloc.py --cfp cfp-gpu --preload libfail_alloc.so MODEL CLIP [--points N] [--layers GLOB]

The points are taken from all requests of the run: half of them are dense at its begin, half even over all of it.
"""
import argparse
import concurrent.futures
import os
import resource
import subprocess
import sys
import tempfile

SECONDS = 120  # of the clock: what takes longer hangs
# libnuma, which FFmpeg's encoders load, says this while it is loaded and ends the program; the program's line follows.
LIBRARIES_SAY = (b'Out of memory allocating bitmask: Cannot allocate memory',)
GREETING = b'cfp-gpu: '


def commands(args, folder):
    """Name: words. `explain` writes every format there is."""
    explain = ['explain', args.model, args.clip, '--depth', '4', '--layers', args.layers, '--format',
               'h5,json,tree,png,frames,gif,stack,figure,mp4,html']
    return {'explain': (explain, True), 'predict': (['predict', args.model, args.clip], False)}


def run(args, words, out, variables=None, limit=None):
    environment = dict(os.environ, OMP_WAIT_POLICY='passive', **(variables or {}))
    if variables:
        environment['LD_PRELOAD'] = args.preload
    def limits():
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if limit:
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    if out:
        words = words + ['-o', out]
    return subprocess.run([args.cfp, *words, '--device', 'cpu', '--threads', '2', '-q'], env=environment, timeout=SECONDS,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=limits, check=False)


def points(total, n):
    """n of 1 ... total, the same ones every time."""
    dense = [round(total ** (i / (n // 2))) for i in range(n // 2)]
    even = [round((i + 0.5) * total / (n - n // 2)) for i in range(n - n // 2)]
    return sorted({max(1, p) for p in dense + even})


def fault(result, out, whole):
    """What is wrong with this end, or None."""
    lines = [line for line in result.stderr.split(b'\n') if line]
    errors = [line for line in lines if not line.startswith(GREETING + b'warning: ') and line not in LIBRARIES_SAY]
    if result.returncode < 0:
        return f'signal {-result.returncode}: {result.stderr[-300:]!r}'
    if result.returncode == 127 and len(lines) == 1 and b'error while loading shared libraries' in lines[0]:
        return None  # the loader's own line: there is no program yet
    if result.returncode not in (0, 1):
        return f'exit status {result.returncode}: {result.stderr[-300:]!r}'
    if result.returncode == 1 and (len(errors) != 1 or not errors[0].startswith(GREETING)):
        return f'not one line: {result.stderr[-600:]!r}'
    if result.returncode == 0 and errors:
        return f'success, and said: {result.stderr[-600:]!r}'
    if out:
        return fault_of_files(out, result.returncode == 0, whole)
    return None


def fault_of_files(out, done, whole):
    """A file under its final name is as long as that of a good run, within the spread of compressors."""
    for folder, _, files in os.walk(out):
        for name in files:
            relative = os.path.relpath(os.path.join(folder, name), out)
            if any(part.startswith('.') for part in relative.split(os.sep)) or relative not in whole:
                continue
            size = os.path.getsize(os.path.join(folder, name))
            if size < 0.9 * whole[relative]:
                return f'{relative}: {size} bytes, of {whole[relative]}'
    missing = [name for name in whole if done and not os.path.exists(os.path.join(out, name))]
    return f'success without {missing[:3]}' if missing else None


def sizes(out):
    return {os.path.relpath(os.path.join(folder, name), out): os.path.getsize(os.path.join(folder, name))
            for folder, _, files in os.walk(out) for name in files}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfp', required=True)
    parser.add_argument('--preload', required=True)
    parser.add_argument('--points', type=int, default=12, help='requests to fail, of explain; a third of it of predict')
    parser.add_argument('--layers', default='dw.project*', help='explain --layers: how much it has to draw')
    parser.add_argument('model')
    parser.add_argument('clip')
    args = parser.parse_args()
    bad, ends = 0, {}
    with tempfile.TemporaryDirectory() as work, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = {}
        for name, (words, writes) in commands(args, work).items():
            good = os.path.join(work, f'{name}-good') if writes else None
            count = os.path.join(work, 'count')
            result = run(args, words, good, {'FAIL_COUNT': count})
            assert result.returncode == 0, result.stderr
            with open(count) as file:
                total = int(file.read())
            whole = sizes(good) if writes else {}
            print(f'{name}: {total} requests for memory', flush=True)

            def one(what, variables, limit, words=words, writes=writes, whole=whole):
                out = os.path.join(work, what.replace(' ', '-')) if writes else None
                try:
                    result = run(args, words, out, variables, limit)
                except subprocess.TimeoutExpired:
                    return None, 'hangs'
                return result, fault(result, out, whole)

            for i, n in enumerate(points(total, args.points if writes else max(args.points // 3, 4))):
                for length in ('1', '0') if args.points > 50 else ('01'[i % 2],):
                    what = f'{name} {n} {"on" if length == "0" else "alone"}'
                    jobs[pool.submit(one, what, {'FAIL_AT': str(n), 'FAIL_FOR': length}, None)] = what
            for megabytes in (100, 200, 300, 400, 600, 800) if args.points > 50 else (150, 350, 550):
                what = f'{name} within {megabytes} MB'
                jobs[pool.submit(one, what, None, megabytes << 20)] = what
        for job in concurrent.futures.as_completed(jobs):
            result, wrong = job.result()
            if wrong:
                print(f'WRONG: {jobs[job]}: {wrong}', flush=True)
                bad += 1
            else:
                text = result.stderr.decode(errors='replace').strip().split('\n')[-1]
                ends[text] = ends.get(text, 0) + 1
    for text, n in sorted(ends.items(), key=lambda end: -end[1])[:12 if args.points <= 50 else 200]:
        print(f'{n:5}  {text or "success"}')
    print(f'{len(jobs)} runs, {bad} wrong')
    return 1 if bad or not jobs else 0


if __name__ == '__main__':
    sys.exit(main())

/**
 * Kernels whose speed with and without fuel is compared (bench/suites/wasm-fuel.ts). No library: compiled with
 * clang --target=wasm32 -O2 -nostdlib.
 */
#define EXPORT(name) __attribute__((export_name(#name))) int name

static int fib_of(int n) { return n < 2 ? n : fib_of(n - 1) + fib_of(n - 2); }

/* Call-heavy: little but calls. */
EXPORT(fib)(int n) { return fib_of(n); }

/* Call-heavy, with arguments that matter. */
static int ackermann_of(int m, int n) {
	if (m == 0)
		return n + 1;
	return ackermann_of(m - 1, n == 0 ? 1 : ackermann_of(m, n - 1));
}
EXPORT(ackermann)(int n) { return ackermann_of(2, n); }

/* Call-heavy: through a table. */
typedef int (*operation)(int, int);
static int plus(int a, int b) { return a + b; }
static int minus(int a, int b) { return a - b; }
static int xored(int a, int b) { return a ^ b; }
static int times(int a, int b) { return a * b; }
static operation volatile operations[] = {plus, minus, xored, times};
EXPORT(indirect)(int n) {
	int value = 1;
	for (int i = 0; i < n; i++)
		value = operations[i & 3](value, i);
	return value;
}

/* Numeric: dense loops on doubles. */
#define N 96
static double a[N][N], b[N][N], c[N][N];
EXPORT(matmul)(int n) {
	for (int round = 0; round < n; round++) {
		for (int i = 0; i < N; i++)
			for (int j = 0; j < N; j++) {
				a[i][j] = i + j + round;
				b[i][j] = i - j;
			}
		for (int i = 0; i < N; i++)
			for (int j = 0; j < N; j++) {
				double sum = 0;
				for (int k = 0; k < N; k++)
					sum += a[i][k] * b[k][j];
				c[i][j] = sum;
			}
	}
	return (int)c[N / 2][N / 3];
}

/* Numeric: long dependent chains. */
EXPORT(mandelbrot)(int n) {
	int inside = 0;
	for (int y = 0; y < n; y++)
		for (int x = 0; x < n; x++) {
			double cr = 2.0 * x / n - 1.5, ci = 2.0 * y / n - 1, zr = 0, zi = 0;
			int i = 0;
			while (i < 100 && zr * zr + zi * zi < 4) {
				double t = zr * zr - zi * zi + cr;
				zi = 2 * zr * zi + ci;
				zr = t;
				i++;
			}
			inside += i;
		}
	return inside;
}

/* Numeric: five bodies. */
static double sqrt_of(double x) { return __builtin_sqrt(x); }
struct body { double x, y, z, vx, vy, vz, mass; };
static struct body bodies[5];
EXPORT(nbody)(int n) {
	for (int i = 0; i < 5; i++)
		bodies[i] = (struct body){i * 3.1 + 1, i * 1.7, i * 0.3, 0.1 * i, 0.2, 0.05 * i, 1.0 / (i + 1)};
	for (int step = 0; step < n; step++) {
		for (int i = 0; i < 5; i++)
			for (int j = i + 1; j < 5; j++) {
				struct body *p = &bodies[i], *q = &bodies[j];
				double dx = p->x - q->x, dy = p->y - q->y, dz = p->z - q->z;
				double d2 = dx * dx + dy * dy + dz * dz;
				double mag = 0.001 / (d2 * sqrt_of(d2));
				p->vx -= dx * q->mass * mag;
				p->vy -= dy * q->mass * mag;
				p->vz -= dz * q->mass * mag;
				q->vx += dx * p->mass * mag;
				q->vy += dy * p->mass * mag;
				q->vz += dz * p->mass * mag;
			}
		for (int i = 0; i < 5; i++) {
			bodies[i].x += 0.001 * bodies[i].vx;
			bodies[i].y += 0.001 * bodies[i].vy;
			bodies[i].z += 0.001 * bodies[i].vz;
		}
	}
	return (int)(1000 * bodies[0].x);
}

/* Branches on data: a sieve, a sort, a hash. */
static unsigned char composite[1 << 20];
EXPORT(sieve)(int n) {
	int count = 0;
	for (int i = 2; i < n; i++)
		composite[i] = 0;
	for (int i = 2; i < n; i++) {
		if (composite[i])
			continue;
		count++;
		for (int j = 2 * i; j < n; j += i)
			composite[j] = 1;
	}
	return count;
}

static int numbers[1 << 16];
static void quicksort(int low, int high) {
	int i = low, j = high, pivot = numbers[(low + high) / 2];
	while (i <= j) {
		while (numbers[i] < pivot)
			i++;
		while (numbers[j] > pivot)
			j--;
		if (i <= j) {
			int t = numbers[i];
			numbers[i++] = numbers[j];
			numbers[j--] = t;
		}
	}
	if (low < j)
		quicksort(low, j);
	if (i < high)
		quicksort(i, high);
}
EXPORT(sort)(int n) {
	unsigned seed = 1;
	for (int i = 0; i < n; i++)
		numbers[i] = (int)((seed = seed * 1664525 + 1013904223) >> 8);
	quicksort(0, n - 1);
	return numbers[n / 2];
}

#define ROTATE(x, k) ((x << k) | (x >> (32 - k)))
EXPORT(hash)(int n) {
	unsigned h = 2166136261u, k = 1;
	for (int i = 0; i < n; i++) {
		k = k * 0xcc9e2d51u + (unsigned)i;
		k = ROTATE(k, 15) * 0x1b873593u;
		h = ROTATE(h ^ k, 13) * 5 + 0xe6546b64u;
	}
	return (int)h;
}

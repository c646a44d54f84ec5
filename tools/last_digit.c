/* Moves what a product of matrices gives by one unit in its last place, up or down, as another processor might.

   Loaded before NumPy (LD_PRELOAD), it stands before the OpenBLAS that comes with it.  Which way a number goes is
   decided by the number, so that a run can be repeated.  What is exact in few binary digits stays as it is: such a
   product is exact on every processor.  Sums of three terms stay, too: with them Matplotlib places its ticks, and one
   that stands on the edge of a pixel would jump. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef int64_t whole;
long last_digit_moved = 0; /* so many numbers */

static char paths[64][4096];
static int count;

static int remember(struct dl_phdr_info *info, size_t size, void *data) {
  if (count < 64 && strstr(info->dlpi_name, "openblas")) strncpy(paths[count++], info->dlpi_name, 4095);
  return 0;
}

static void *original(const char *name) {
  count = 0;
  dl_iterate_phdr(remember, NULL);
  for (int k = 0; k < count; k++) {
    void *library = dlopen(paths[k], RTLD_LAZY | RTLD_NOLOAD);
    void *function = library ? dlsym(library, name) : NULL;
    if (function) return function;
  }
  abort();
}

static double moved_double(double x) {
  int64_t bits;
  memcpy(&bits, &x, 8);
  if ((bits & 0xfffff) == 0 || x - x != 0) return x; /* exact, or not finite */
  bits += (uint64_t)bits * 0x9e3779b97f4a7c15u >> 63 ? 1 : -1;
  memcpy(&x, &bits, 8);
  last_digit_moved++;
  return x;
}

static float moved_float(float x) {
  int32_t bits;
  memcpy(&bits, &x, 4);
  if ((bits & 0x3ff) == 0 || x - x != 0) return x;
  bits += (uint64_t)(uint32_t)bits * 0x9e3779b97f4a7c15u >> 63 ? 1 : -1;
  memcpy(&x, &bits, 4);
  last_digit_moved++;
  return x;
}

/* Order is 101 for rows, 102 for columns that lie one behind the other. */
#define PRODUCTS(type, letter, moved)                                                                                 \
  void scipy_cblas_##letter##gemm64_(int order, int ta, int tb, whole m, whole n, whole k, type alpha, const type *a, \
                                     whole lda, const type *b, whole ldb, type beta, type *c, whole ldc) {            \
    static void (*gemm)(int, int, int, whole, whole, whole, type, const type *, whole, const type *, whole, type,     \
                        type *, whole);                                                                               \
    if (!gemm) gemm = original("scipy_cblas_" #letter "gemm64_");                                                     \
    gemm(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);                                                \
    if (k <= 3) return;                                                                                               \
    whole outer = order == 101 ? m : n, inner = order == 101 ? n : m;                                                 \
    for (whole i = 0; i < outer; i++)                                                                                 \
      for (whole j = 0; j < inner; j++) c[i * ldc + j] = moved(c[i * ldc + j]);                                       \
  }                                                                                                                   \
  void scipy_cblas_##letter##syrk64_(int order, int uplo, int trans, whole n, whole k, type alpha, const type *a,     \
                                     whole lda, type beta, type *c, whole ldc) {                                      \
    static void (*syrk)(int, int, int, whole, whole, type, const type *, whole, type, type *, whole);                 \
    if (!syrk) syrk = original("scipy_cblas_" #letter "syrk64_");                                                     \
    syrk(order, uplo, trans, n, k, alpha, a, lda, beta, c, ldc);                                                      \
    int behind = (order == 101) == (uplo == 121); /* the half that was written is j >= i */                           \
    for (whole i = 0; i < n; i++)                                                                                     \
      for (whole j = behind ? i : 0; j < (behind ? n : i + 1); j++) c[i * ldc + j] = moved(c[i * ldc + j]);           \
  }                                                                                                                   \
  void scipy_cblas_##letter##gemv64_(int order, int trans, whole m, whole n, type alpha, const type *a, whole lda,    \
                                     const type *x, whole incx, type beta, type *y, whole incy) {                     \
    static void (*gemv)(int, int, whole, whole, type, const type *, whole, const type *, whole, type, type *, whole); \
    if (!gemv) gemv = original("scipy_cblas_" #letter "gemv64_");                                                     \
    gemv(order, trans, m, n, alpha, a, lda, x, incx, beta, y, incy);                                                  \
    whole length = trans == 111 ? m : n;                                                                              \
    if (m + n - length <= 3) return;                                                                                  \
    for (whole i = 0; i < length; i++) y[i * incy] = moved(y[i * incy]);                                              \
  }                                                                                                                   \
  type scipy_cblas_##letter##dot64_(whole n, const type *x, whole incx, const type *y, whole incy) {                  \
    static type (*dot)(whole, const type *, whole, const type *, whole);                                              \
    if (!dot) dot = original("scipy_cblas_" #letter "dot64_");                                                        \
    return moved(dot(n, x, incx, y, incy));                                                                           \
  }

PRODUCTS(double, d, moved_double)
PRODUCTS(float, s, moved_float)

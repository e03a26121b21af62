/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvfiopm: what each of its headers begins with. */
#ifndef VFIOPM_COMMON_H
#define VFIOPM_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
#define VFIOPM_EXTERN_C_BEGIN extern "C" {
#define VFIOPM_EXTERN_C_END }
#else
#define VFIOPM_EXTERN_C_BEGIN
#define VFIOPM_EXTERN_C_END
#endif

/* What is declared between the two is exported, with the names of C. */
#ifdef __GNUC__
#define VFIOPM_BEGIN_DECLS _Pragma("GCC visibility push(default)") VFIOPM_EXTERN_C_BEGIN
#define VFIOPM_END_DECLS VFIOPM_EXTERN_C_END _Pragma("GCC visibility pop")
#else
#define VFIOPM_BEGIN_DECLS VFIOPM_EXTERN_C_BEGIN
#define VFIOPM_END_DECLS VFIOPM_EXTERN_C_END
#endif

#endif /* VFIOPM_COMMON_H */

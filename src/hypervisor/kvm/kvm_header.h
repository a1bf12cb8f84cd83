// <linux/kvm.h> with the sizes that the kernel means.
//
// Debian 12's header compiled as C++ pads structs that end in a flexible array (__DECLARE_FLEX_ARRAY wraps it in a
// struct with an empty member, which C++ gives a size), and ioctl numbers contain those sizes: KVM_GET_SUPPORTED_CPUID
// would fail with EINVAL. Only src/hypervisor/kvm/ includes this.
#pragma once

#include <linux/stddef.h>

#undef __DECLARE_FLEX_ARRAY
#define __DECLARE_FLEX_ARRAY(TYPE, NAME) TYPE NAME[]

#include <linux/kvm.h>

static_assert(KVM_GET_SUPPORTED_CPUID == 0xc008ae05 && KVM_SET_MSRS == 0x4008ae89 && KVM_SET_GSI_ROUTING == 0x4008ae6a);

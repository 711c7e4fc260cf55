package main

import (
	"path"
	"strings"
)

const (
	prefix           = "io.katacontainers."
	hypervisorPrefix = prefix + "config.hypervisor."
	epc              = "sgx.intel.com/epc"
)

// A rule checks the value of an annotation.
type rule func(at place, value string, r *report)

// hypervisor, runtime, agent and others are the annotations of
// src/runtime/virtcontainers/pkg/annotations/annotations.go, checked as
// src/runtime/pkg/oci/utils.go does. Those of src/libs/kata-types/src/annotations/mod.rs
// that only the runtime in Rust has are rustOnly.
var (
	hypervisor = map[string]rule{
		"asset_hash_type":                  oneOf("sha512"),
		"blk_logical_sector_size":          sectorSize,
		"blk_physical_sector_size":         sectorSize,
		"block_device_aio":                 oneOf("native", "threads", "io_uring"),
		"block_device_cache_direct":        boolean,
		"block_device_cache_noflush":       boolean,
		"block_device_cache_set":           boolean,
		"block_device_driver":              oneOf("virtio-scsi", "virtio-blk", "virtio-mmio", "nvdimm", "virtio-blk-ccw"),
		"block_device_num_queues":          rustOnly,
		"block_device_queue_size":          rustOnly,
		"cc_init_data":                     initData,
		"cold_plug_vfio":                   pciePort,
		"cpu_features":                     anything,
		"default_gpu_model":                anything,
		"default_gpus":                     unsigned(0, maxUint32),
		"default_max_vcpus":                maxCPUs,
		"default_memory":                   memory,
		"default_vcpus":                    cpus,
		"disable_block_device_use":         boolean,
		"disable_image_nvdimm":             boolean,
		"disable_vhost_net":                boolean,
		"enable_guest_swap":                boolean,
		"enable_hugepages":                 boolean,
		"enable_iommu":                     boolean,
		"enable_iommu_platform":            boolean,
		"enable_iothreads":                 boolean,
		"enable_mem_prealloc":              boolean,
		"enable_vhost_user_store":          boolean,
		"enable_virtio_mem":                boolean,
		"entropy_source":                   restricted("valid_entropy_sources"),
		"firmware":                         absolute,
		"firmware_hash":                    sha512Hash,
		"firmware_volume":                  absolute,
		"firmware_volume_hash":             sha512Hash,
		"guest_hook_path":                  anything,
		"hot_plug_vfio":                    pciePort,
		"hugepage_type":                    rustOnly,
		"hypervisor_hash":                  sha512Hash,
		"image":                            absolute,
		"image_hash":                       sha512Hash,
		"indep_iothreads":                  unsigned(1, 50),
		"initrd":                           absolute,
		"initrd_hash":                      sha512Hash,
		"jailer_hash":                      sha512Hash,
		"jailer_path":                      restricted("valid_jailer_paths"),
		"kernel":                           absolute,
		"kernel_hash":                      sha512Hash,
		"kernel_params":                    kernelParams,
		"kernel_verity_params":             verity,
		"machine_accelerators":             anything,
		"machine_type":                     anything,
		"memory_offset":                    unsigned(0, maxUint64),
		"memory_slots":                     unsigned(0, maxUint32),
		"msize_9p":                         unsigned(1, maxUint32),
		"network_queues":                   rustOnly,
		"numa_mapping":                     anything,
		"path":                             restricted("valid_hypervisor_paths"),
		"path_hash":                        rustOnly,
		"pcie_root_port":                   unsigned(0, maxUint32),
		"pcie_switch_port":                 unsigned(0, maxUint32),
		"prefetch_files.list":              rustOnly,
		"reclaim_guest_freed_memory":       boolean,
		"rootless":                         boolean,
		"rx_rate_limiter_max_rate":         unsigned(0, maxUint64),
		"shared_fs":                        oneOf("virtio-9p", "virtio-fs"),
		"tx_rate_limiter_max_rate":         unsigned(0, maxUint64),
		"use_legacy_serial":                boolean,
		"vhost_user_reconnect_timeout_sec": unsigned(0, maxUint32),
		"vhost_user_store_path":            restricted("valid_vhost_user_store_paths"),
		"virtio_fs_cache":                  documented("always", "auto", "never"),
		"virtio_fs_cache_size":             unsigned(0, maxUint32),
		"virtio_fs_daemon":                 restricted("valid_virtio_fs_daemon_paths"),
		"virtio_fs_extra_args":             daemonArgs,
	}
	runtime = map[string]rule{
		"agent_name":                    rustOnly,
		"create_container_timeout":      unsigned(0, maxUint64),
		"disable_guest_seccomp":         boolean,
		"disable_new_netns":             boolean,
		"enable_pprof":                  boolean,
		"enable_vcpus_pinning":          rustOnly,
		"experimental":                  experimental,
		"experimental_force_guest_pull": boolean,
		"guest_selinux_label":           anything,
		"hypervisor_name":               rustOnly,
		"internetworking_model":         oneOf("default", "macvtap", "tcfilter", "none"),
		"name":                          rustOnly,
		"sandbox_bind_mounts":           rustOnly,
		"sandbox_cgroup_only":           boolean,
		"shared_mounts":                 rustOnly,
		"vfio_mode":                     oneOf("vfio", "guest-kernel"),
	}
	agent = map[string]rule{
		"cdh_api_timeout":     documentedOnly,
		"cdh_api_timeout_ms":  rustOnly,
		"container_pipe_size": unsigned(0, maxUint32),
		"enable_tracing":      boolean,
		"kernel_modules":      anything,
		"policy":              base64Text,
	}
	others = map[string]rule{
		"asset_hash_type":                  oneOf("sha512"),
		"container.resource.swap_in_bytes": unsignedOf(0, 0, maxUint64),
		"container.resource.swappiness":    unsignedOf(0, 0, 200),
		"enable_vcpus_pinning":             boolean,
		"pkg.oci.bundle_path":              overwritten,
		"pkg.oci.container_type":           overwritten,
	}
)

// ruleOf returns the rule of an annotation, and nil if nobody knows it.
func ruleOf(name string) rule {
	for _, group := range []struct {
		prefix string
		rules  map[string]rule
	}{
		{hypervisorPrefix, hypervisor},
		{prefix + "config.runtime.", runtime},
		{prefix + "config.agent.", agent},
		{prefix, others},
	} {
		if rest, ok := strings.CutPrefix(name, group.prefix); ok {
			if strings.HasPrefix(rest, "fs-opt.") { // of snapshotters
				return anything
			}
			return group.rules[rest]
		}
	}
	return nil
}

// checkAnnotations checks those of a sandbox, and those of containers that join one only
// as far as they are of the container: the rest is read from the sandbox's alone.
func checkAnnotations(annotations place, joins bool, r *report) {
	for at := range annotations.members() {
		name := at.name
		ofContainer := strings.HasPrefix(name, prefix+"container.")
		switch {
		case !at.is('"') || joins && !ofContainer:
		case strings.HasPrefix(name, prefix):
			checkAnnotation(name, at, r)
		case name == epc:
			quantity(at, at.text(), r)
		case strings.HasPrefix(name, "io.kubernetes.cri.sandbox-cpu-") || name == "io.kubernetes.cri.sandbox-memory":
			sizing(at, at.text(), r)
		}
	}
	if !joins {
		checkTogether(annotations, r)
	}
}

func checkAnnotation(name string, at place, r *report) {
	if rest, ok := strings.CutPrefix(name, hypervisorPrefix); ok && !r.settings.enables(rest) {
		r.violation("annotation.not_enabled", at, "Kata refuses it: enable_annotations of its configuration does not have it", "leave it out")
		return
	}
	check := ruleOf(name)
	if check == nil {
		r.warning("annotation.unknown", at, "Kata knows no such annotation and ignores it", "see the README for those that it knows")
		return
	}
	check(at, at.text(), r)
}

// checkTogether checks annotations that do not go together.
func checkTogether(annotations place, r *report) {
	of := func(name string) place { return annotations.at(hypervisorPrefix + name) }
	logical, ok := parseUnsigned(of("blk_logical_sector_size").text(), 10)
	physical, both := parseUnsigned(of("blk_physical_sector_size").text(), 10)
	if ok && both && logical != 0 && physical != 0 && logical > physical {
		r.violation("annotation.value", of("blk_logical_sector_size"), "Kata refuses logical sectors that are larger than physical ones", "make it smaller")
	}
	if cold, hot := of("cold_plug_vfio"), of("hot_plug_vfio"); !cold.absent() && !hot.absent() {
		r.warning("annotation.ignored", hot, "with cold_plug_vfio, Kata ignores it", "give one of them")
	}
}

// restricted paths are those that an entry of the configuration has a pattern for.
func restricted(entry string) rule {
	return func(at place, value string, r *report) {
		if !path.IsAbs(value) || !r.settings.permits(entry, value) {
			r.violation("annotation.path", at, "Kata refuses "+quoted(value)+": "+entry+" of its configuration does not have it", "leave it out")
		}
	}
}

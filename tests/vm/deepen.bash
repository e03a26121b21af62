# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the files about deepen share: `load deepen` after `load module-lib` and `load guest_pm`.
# shellcheck disable=SC2034 # what is set here is for the files that load this

setup() {
	start_case
	[ -d /sys/module/vfio_pci ] || load_vfio disable_idle_d3=1
	vmm='' deepen='' DEEPEN_WITH=()
}

teardown() {
	deepen_stop || true
	vmm_stop
	pkill -KILL -x vfio-pm || true
	unbind_all
	unload_driver vfio-pm-pci
}

role_of() { # KIND POWER: sets REPLY to a role; the kinds are shuffled
	for REPLY in D3COLD D3COLD2 D3COLD_PORT SHARED0 SHARED1 D3HOT D3HOT_PORT NVME; do
		[ "$(dev "KIND_$REPLY") $(dev "POWER_$REPLY")" != "$1 $2" ] || return 0
	done
	return 1
}

take() { # ROLE [DRIVER]: sets role, address; bound
	role=$1
	address=${!role}
	if [ "${2:-vfio-pci}" = vfio-pci ]; then
		bind_vfio "$address"
	else
		load_driver "$2"
		bind_to "$2" "$address"
	fi
}

# Prefers e1000e, whose No_Soft_Reset is clear; an nvme does it with --state-loss-ok.
subject() { # [DRIVER]: sets role, address, allow: D3cold by a resource of its own; bound
	allow=()
	role_of e1000e own || { role_of nvme own; allow=("--state-loss-ok=${!REPLY}"); }
	take "$REPLY" "${1:-}"
}

put_back() { # the attributes are the driver's own
	[ "$(cat "$pci/$address"/vfio_pm/deepen{,_state_loss_ok,_rate} | tr '\n' ' ')" = "0 0 12 " ]
}

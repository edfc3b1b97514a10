#!/usr/bin/env python3
"""What sass_loads.py counts in a listing of nvdisasm, made by hand.  Usage: check_sass_loads.py"""
import unittest

import sass_loads

LISTING = """
	.section	.text._Z3oneILi4EEvPf,"ax",@progbits
        /*0000*/                   LDG.E.128 R4, desc[UR10][R2.64] ;
        /*0010*/              @P1  LDG.E.128 R8, desc[UR10][R2.64+0x10] ;
        /*0020*/                   LDG.E R12, desc[UR10][R14.64] ;
        /*0030*/                   FADD R16, R7, R16 ;
        /*0040*/                   LDG.E.64 R18, desc[UR10][R14.64+0x8] ;
.L_x_1:
        /*0050*/                   LDG.E.U16 R20, desc[UR10][R14.64+0x18] ;
        /*0060*/                   LDS.128 R24, [R22] ;
        /*0070*/                   STG.E.128 desc[UR10][R2.64], R4 ;
	.section	.nv.constant0._Z3oneILi4EEvPf,"a",@progbits
	.section	.text._Z3twov,"ax",@progbits
        /*0000*/                   LDG.E R4, desc[UR10][R2.64] ;
        /*0010*/                   LDG.E R4, desc[UR10][R4.64] ;
"""


class Loads(unittest.TestCase):
    def test_listing(self):
        found = sass_loads.parse(LISTING)
        self.assertEqual(list(found), ["_Z3oneILi4EEvPf", "_Z3twov"])
        one, two = found.values()
        self.assertEqual((one.loads, one.wide, one.in_flight), (5, 2, 3))  # R7 is the end of the first load
        self.assertEqual((two.loads, two.wide, two.in_flight), (2, 0, 1))  # the second needs the first


if __name__ == "__main__":
    unittest.main()
